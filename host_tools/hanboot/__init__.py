"""hanboot: build, sign, send and prove firmware images for GBCS devices."""
