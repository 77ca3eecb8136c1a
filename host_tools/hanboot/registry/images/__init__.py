"""What holds an image and the registry together.

comparison   an image against one entry
submission   an image and its rows: submitted, or only checked
"""
