"""What a manufacturer hands to a supplier: header, Manufacturer Image, signature and hash."""
