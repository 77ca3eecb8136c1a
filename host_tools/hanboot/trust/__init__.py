"""Keys of trust anchors: key files, and the comb tables of P-256."""
