"""What the library holds: images, entries, submissions and their review, search and download."""
