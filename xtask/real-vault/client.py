"""The unmodified `hvac` client against an address; prints what it read, or `ok`.

    client.py ADDRESS TOKEN read  1|2 MOUNT PATH FIELD
    client.py ADDRESS TOKEN write 1|2 MOUNT PATH FIELD VALUE
"""

import sys

import hvac


def main():
    address, token, verb, version, mount, path, field, *value = sys.argv[1:]
    client = hvac.Client(url=address, token=token)
    kv = client.secrets.kv.v1 if version == "1" else client.secrets.kv.v2
    if verb == "write":
        kv.create_or_update_secret(path, secret={field: value[0]}, mount_point=mount)
        print("ok")
    elif version == "1":
        print(kv.read_secret(path, mount_point=mount)["data"][field])
    else:
        answer = kv.read_secret_version(path, mount_point=mount, raise_on_deleted_version=True)
        print(answer["data"]["data"][field])


main()
