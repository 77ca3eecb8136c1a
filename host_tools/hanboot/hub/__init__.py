"""A Communications Hub to test devices against: OTA server, time, and post for GBCS messages.

    ota         the OTA Upgrade server (cluster 0x0019)
    post        GBCS messages to and from devices
    transfer_alert  CCS08, which tells the DSP what became of a transfer
    hub         all of it behind one door: frames in, frames out
    air         a line that loses, delays, doubles and reorders frames
    attachment  a device behind a port (SMP group 66)
    control     the socket through which commands reach a running hub

Everything but `attachment` and `control` runs on a clock and a radio that the caller gives, so that
tests play days in seconds.
"""
