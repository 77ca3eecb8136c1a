"""The inventory: which device runs which firmware, what it needs, and what is sent to it.

devices      the devices, as 'Read Inventory' (SR 8.2) would list them
pending      which of them need a step, by model and path
reports      what devices say of themselves: spread over the day, merged
gate/        what must hold before an image is sent
distribute   an image through the gate to a device, and what came of it
"""
