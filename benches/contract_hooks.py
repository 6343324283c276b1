"""What schemathesis has to be told beside the document: a part of an upload is bytes, as any binary body."""

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
