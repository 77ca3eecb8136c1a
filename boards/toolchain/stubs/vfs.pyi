class VfsRom:
    def __init__(self, memory: bytes | memoryview) -> None: ...

class VfsLfs2:
    def __init__(
        self,
        device: object,
        *,
        readsize: int = 32,
        progsize: int = 32,
        lookahead: int = 32,
        mtime: bool = True,
    ) -> None: ...
    @staticmethod
    def mkfs(
        device: object, *, readsize: int = 32, progsize: int = 32, lookahead: int = 32
    ) -> None: ...

def mount(filesystem: object, mount_point: str, *, readonly: bool = False) -> None: ...
def umount(mount_point: str) -> None: ...
