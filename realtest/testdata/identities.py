"""Resolves profiles with botocore, and asks STS who each of them is.

Reads names of profiles from standard input, one a line, and writes one line for each: the name, a tab, and the
ARN, or "error" and the type of the exception.
"""
import sys

import botocore.session
from botocore.config import Config

# It remembers what it has read of botocore's own data, which is the same for all.
loader = botocore.session.Session().get_component("data_loader")

for line in sys.stdin:
    name = line.rstrip("\n")
    try:
        session = botocore.session.Session(profile=name)
        session.register_component("data_loader", loader)
        if session.get_credentials() is None:
            raise LookupError("nothing")
        client = session.create_client("sts", config=Config(retries={"total_max_attempts": 1}))
        answer = client.get_caller_identity()["Arn"]
    except Exception as e:
        answer = "error " + type(e).__name__
    print(name, answer, sep="\t", flush=True)
