# What the OTA client hands an image to, and how patient it is. On a device the store is the
# admission with its slot (install.py); in tests it is a list.


# How patient the client is. None of the numbers is in a public source: they are defaults of ours.
class Timing:
    # fmt: off
    unmeasured_ms   = 2_000   # first wait for an answer, as long as none was measured
    answer_least_ms = 200     # shortest wait, where answers come fast
    answer_most_ms  = 60_000  # waits double up to this
    tries           = 8       # of one request
    bad_answers     = 16      # to one request, that are not what was asked for
    first_query_s   = 60      # after a start
    query_s         = 86_400  # without any notice
    retry_s         = 3_600   # after giving up, and while waiting for an upgrade time
    wait_most_s     = 3_600   # of one WAIT_FOR_DATA
    waits           = 168     # WAIT_FOR_DATA in a row
    # fmt: on


class ImageStore:
    # what an image must fit, as the cluster asks for it; largest_bytes: of a file
    manufacturer_code = 0
    image_type = 0
    hardware_version = 0
    largest_bytes = 0

    if __debug__:  # an interface
        # file version of what runs, 0 where nothing does
        def running_version(self) -> int:
            raise NotImplementedError

        # file version of the image that waits for activation; None where there is none
        def held_version(self) -> "int | None":
            raise NotImplementedError

        # file version of the image whose trial failed last; None if none did
        def reverted_version(self) -> "int | None":
            raise NotImplementedError

        # A file is announced. Generator; returns the offset of the first byte wanted, which is not
        # 0 where the same file was begun before. Refused where none can be taken now.
        def begin_steps(self, version: int, total_bytes: int):  # type: ignore[no-untyped-def]
            raise NotImplementedError

        # The next bytes. Generator; returns the offset of the next byte wanted. Refused with a
        # reason as soon as there is one.
        def write_steps(self, offset: int, octets: memoryview):  # type: ignore[no-untyped-def]
            raise NotImplementedError

        # After the last byte: None while the image is being verified, 0 if it is held, or the
        # reason.
        def outcome(self) -> "int | None":
            raise NotImplementedError

        # Forgets what was received of the file under way.
        def discard(self) -> None:
            raise NotImplementedError

        # Activates the image that is held. Refused with the reason.
        def activate(self) -> None:
            raise NotImplementedError

        # The ZCL status that the hub gets for `reason`: INVALID_IMAGE where it speaks of the image,
        # ABORT where the device cannot take one now.
        def status_of(self, reason: int) -> int:
            raise NotImplementedError
