"""Reading and writing bytes: inputs, (de)compression, and outputs renamed into place at the end.

`input` hands bytes to a format's source; a format's sink hands bytes to `output`.
"""

from noisify.core.lazy import import_lazily

import_lazily(
    __name__,
    "compress decompress folder_input folder_output multipart remote remote_folder_output "
    "remote_output transport zip_member",
)
