"""ESP32 boards: chips, partition tables, images, flashing, and a model that runs here."""
