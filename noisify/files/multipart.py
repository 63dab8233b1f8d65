"""Uploads to S3 in numbered parts: sent by several processes, completed or aborted by one.

A part that is sent twice replaces itself, so a task may run more than once. Nothing shows under the
URL before the upload is completed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from noisify.core import urls
from noisify.core.share import Share
from noisify.core.value_class import frozen
from noisify.files.transport import Location, remote_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PART_BYTES = 1 << 24
"""The size of a part; parts grow with what has been uploaded, since S3 takes at most 10,000."""
_MOST_PARTS = 10_000
MOST_SENDERS = (_MOST_PARTS - 1) // 2
"""The most parts of a file: each needs two numbers, one for sending it again after short parts.

The last number is for what follows all parts.
"""
_S3 = {"s3", "s3a"}


def can_share(url: str) -> bool:
    """Return whether several processes can send parts of one file, as to most servers of S3.

    Servers such as R2 take only parts of one size.
    """
    if urls.scheme(url) not in _S3:
        return False
    return not getattr(Location(url).system, "fixed_upload_size", False)


class Sent(NamedTuple):
    """What a task has uploaded of a part of a file.

    Attributes:
        parts: The numbers and ETags of parts, which complete the upload.
        rest: The bytes that were not sent, if they are fewer than S3 takes.
    """

    parts: Sequence[dict[str, Any]]
    rest: bytes = b""


@frozen
class PartSizes:
    """How large the parts of an upload are, in bytes.

    Attributes:
        least: The least that the server takes, unless it is the last part.
        usual: What a part has if there is enough.
    """

    least: int = 5 << 20
    usual: int = PART_BYTES


S3_SIZES = PartSizes()


@frozen
class SharedUpload:
    """An upload to which several processes send parts.

    Attributes:
        url: The file.
        key: The `UploadId` that S3 gave the upload.
        sizes: How large its parts are.
    """

    url: str
    key: str
    sizes: PartSizes = S3_SIZES

    @classmethod
    def start(cls, url: str, sizes: PartSizes) -> SharedUpload:
        """Start an upload."""
        return cls(url, _call(url, "create_multipart_upload")["UploadId"], sizes)

    def send(self, number: int, data: bytes) -> dict[str, Any]:
        """Upload a part; return its number and ETag, which complete the upload."""
        told = _call(self.url, "upload_part", UploadId=self.key, PartNumber=number, Body=data)
        return {"PartNumber": number, "ETag": told["ETag"]}

    def complete(self, parts: Sequence[dict[str, Any]], *, clobber: bool) -> None:
        """Complete the upload: the parts become the file."""
        match = {} if clobber else {"IfNoneMatch": "*"}
        made = {"Parts": parts}
        _call(
            self.url, "complete_multipart_upload", UploadId=self.key, MultipartUpload=made, **match
        )

    def abort(self) -> None:
        """Drop the parts."""
        _call(self.url, "abort_multipart_upload", UploadId=self.key)


def _call(url: str, method: str, **options: object) -> dict[str, Any]:
    """Call a method of S3 for a file."""
    location = Location(url)
    bucket, _, key = str(location.path).partition("/")
    with remote_errors(url, "written"):
        answer: dict[str, Any] = location.system.call_s3(method, Bucket=bucket, Key=key, **options)
    return answer


@frozen
class PartUpload:
    """Sends one part of a file, under numbers that are reserved for it.

    Attributes:
        upload: The upload.
        numbers: The numbers.
        before: Bytes to send in front of the part, which were too few to send by themselves.
    """

    upload: SharedUpload
    numbers: range
    before: bytes = b""

    def send(self, file: BinaryIO, size: int) -> Sent:
        """Upload `size` bytes from a file's position, or return them if they are too few."""
        total = len(self.before) + size
        if total < self.upload.sizes.least:
            return Sent([], self.before + file.read(size))
        count = min(len(self.numbers), max(1, total // self.upload.sizes.usual))
        parts, before = [], self.before
        for number in range(count):
            share = Share(number + 1, count).of(total)
            data = before + file.read(len(share) - len(before))
            parts.append(self.upload.send(self.numbers[number], data))
            before = b""
        return Sent(parts)


def numbers_of(at: int, count: int, *, again: bool = False) -> range:
    """Return the numbers for one of `count` parts of a file; other ones for sending it again."""
    width = MOST_SENDERS // count
    start = (2 * at + again) * width + 1
    return range(start, start + width)


def arranged(
    upload: SharedUpload,
    sent: Sequence[Sent],
    again: Callable[[int, PartUpload], Sent],
    end: bytes = b"",
) -> list[dict[str, Any]]:
    """Return the parts that complete an upload, after sending what was too short for one.

    Args:
        upload: The upload.
        sent: What was sent of each part of the file.
        again: Sends a part of the file again, with some bytes in front of it.
        end: What follows the last part.
    """
    parts: list[dict[str, Any]] = []
    held = b""
    for at, one in enumerate(sent):
        if one.parts and held:
            numbers = numbers_of(at, len(sent), again=True)
            parts += again(at, PartUpload(upload, numbers, held)).parts
            held = b""
            continue
        parts += one.parts
        held += one.rest
        if len(held) >= upload.sizes.least:
            parts.append(upload.send(numbers_of(at, len(sent))[0], held))
            held = b""
    if held or end or not parts:
        parts.append(upload.send(_MOST_PARTS, held + end))
    return parts


def abort_uploads(targets: Iterable[str]) -> None:
    """Abort the uploads to S3 of files that a run which was killed has left.

    Args:
        targets: The URLs of the files, which nothing is writing.

    Raises:
        NoisifyError: If uploads cannot be listed, or not be aborted.
    """
    folders: dict[str, set[str]] = {}
    for target in targets:
        if urls.scheme(target) in _S3:
            folders.setdefault(target.rpartition("/")[0], set()).add(target)
    for folder, inside in folders.items():
        location = Location(f"{folder}/")
        bucket, _, start = str(location.path).rstrip("/").partition("/")
        keys = {Location(target).path.partition("/")[2]: target for target in inside}
        with remote_errors(folder, "read"):
            uploads = _uploads(location.system, bucket, start)
        for upload in uploads:
            if upload["Key"] in keys:
                SharedUpload(keys[upload["Key"]], upload["UploadId"]).abort()


def _uploads(system: Any, bucket: str, start: str) -> list[dict[str, str]]:  # noqa: ANN401 - s3fs's
    """Return the open uploads of a bucket whose keys start with a text."""
    found: list[dict[str, str]] = []
    page: dict[str, Any] = {"IsTruncated": True}
    marker: dict[str, str] = {}
    while page.get("IsTruncated"):
        page = system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=start, **marker)
        found += page.get("Uploads", [])
        if page.get("IsTruncated"):
            marker = {
                "KeyMarker": page["NextKeyMarker"],
                "UploadIdMarker": page["NextUploadIdMarker"],
            }
    return found
