"""The tus project's own Python client brings a recording: in parts, cut off in the middle, and gone on with.

Arguments: the address of the server, a token, a recording. Prints the upload's address as one line of JSON.
"""

import json
import os
import sys

from tusclient.client import TusClient

address, token, recording = sys.argv[1:]
client = TusClient(f"{address}/v1/uploads", headers={"Authorization": f"Bearer {token}"})
metadata = {"filename": os.path.basename(recording), "title": "途切れた取込"}
size = os.path.getsize(recording)

# Somebody closes the lid when a third is there …
first = client.uploader(recording, chunk_size=size // 5, metadata=metadata, upload_checksum=True)
first.upload(stop_at=size // 3)
address_of_upload, stored = first.url, first.offset

# … and another program goes on with what the server says it has.
second = client.uploader(recording, url=address_of_upload, chunk_size=size // 4, upload_checksum=True)
resumed_at = second.offset
second.upload()
print(json.dumps({"url": address_of_upload, "stored": stored, "resumed_at": resumed_at, "offset": second.offset, "size": size}))
