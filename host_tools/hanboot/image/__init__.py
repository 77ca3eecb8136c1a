"""OTA Upgrade Images: release, build, sign, describe, verify."""
