#!/usr/bin/env python3
"""Makes the files beside it from a checkout of https://github.com/C2SP/wycheproof (Apache-2.0):

    reduce.py PATH_OF_CHECKOUT

Kept are the public keys, as JWKs, and of each test its number, comment, message, signature and result; binary values become
base64url. Left out are other forms of the keys, private keys, flags, notes, and algorithms that are not spoken here.
"""

import base64
import json
import pathlib
import subprocess
import sys

SIGNATURES = {
    "ecdsa_secp256r1_sha256_p1363": "ES256",
    "ecdsa_secp384r1_sha384_p1363": "ES384",
    "ed25519": "EdDSA",
    "rsa_signature_2048_sha256": "RS256",
    "rsa_signature_2048_sha384": "RS384",
    "rsa_signature_2048_sha512": "RS512",
    "rsa_signature_3072_sha256": "RS256",
    "rsa_signature_4096_sha256": "RS256",
    "rsa_pss_2048_sha256_mgf1_32": "PS256",
    "rsa_pss_3072_sha256_mgf1_32": "PS256",
    "rsa_pss_2048_sha384_mgf1_48": "PS384",
    "rsa_pss_4096_sha512_mgf1_64": "PS512",
}
# Signatures that are good for other parameters than those of the algorithm named here: none may pass.
MISFITS = {
    "ecdsa_secp256r1_sha256": "ES256",  # in DER form
    "ecdsa_secp256r1_sha512_p1363": "ES256",
    "rsa_signature_2048_sha224": "RS256",
    "rsa_pss_2048_sha256_mgf1_0": "PS256",
    "rsa_pss_2048_sha256_mgf1sha1_20": "PS256",
    "rsa_pss_4096_sha512_mgf1_32": "PS512",
}
TOKENS = ["json_web_signature", "json_web_key"]
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth"}


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwk(key: dict) -> dict:
    """The JWK of a public key in Wycheproof's own form."""
    def number(text: str, size: int = 0) -> str:
        data = bytes.fromhex(text).lstrip(b"\0")
        return base64url(data.rjust(size, b"\0"))

    if "modulus" in key:
        return {"kty": "RSA", "n": number(key["modulus"]), "e": number(key["publicExponent"])}
    if key["type"] == "EDDSAPublicKey":
        return {"kty": "OKP", "crv": "Ed25519", "x": base64url(bytes.fromhex(key["pk"]))}
    curve, size = {"secp256r1": ("P-256", 32), "secp384r1": ("P-384", 48)}[key["curve"]]
    return {"kty": "EC", "crv": curve, "x": number(key["wx"], size), "y": number(key["wy"], size)}


def signature(test: dict) -> list:
    binary = (base64url(bytes.fromhex(test[name])) for name in ("msg", "sig"))
    return [test["tcId"], test["comment"], *binary, test["result"]]


def without_private(keys):
    if isinstance(keys, dict) and "keys" in keys:
        return {"keys": [without_private(key) for key in keys["keys"]]}
    return {name: value for name, value in keys.items() if name not in PRIVATE}


def write(name: str, head: dict, groups: list) -> None:
    """One test a line, so that a change of one shows as one."""
    line = lambda value: json.dumps(value, separators=(",", ":"))
    parts = []
    for group in groups:
        tests = ",\n".join(line(test) for test in group["tests"])
        parts.append(f'{{"key":{line(group["key"])},"tests":[\n{tests}\n]}}')
    text = ",\n".join(parts)
    text = f'{{"source":{line(head["source"])},"algorithm":{line(head["algorithm"])},"groups":[\n{text}\n]}}\n'
    (pathlib.Path(__file__).parent / f"{name}.json").write_text(text)


def main(checkout: str) -> None:
    def source(name: str) -> tuple[dict, list]:
        path = f"testvectors_v1/{name}_test.json"
        shown = subprocess.run(["git", "-C", checkout, "show", f"HEAD:{path}"], check=True, capture_output=True)
        commit = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        return {"source": f"C2SP/wycheproof {commit.stdout.strip()} {path}"}, json.loads(shown.stdout)["testGroups"]

    for name, algorithm in SIGNATURES.items():
        head, groups = source(name)
        groups = [{"key": jwk(g["publicKey"]), "tests": [signature(t) for t in g["tests"]]} for g in groups]
        write(name, head | {"algorithm": algorithm}, groups)
    for name, algorithm in MISFITS.items():
        head, groups = source(name)
        valid = lambda group: [signature(test) for test in group["tests"] if test["result"] == "valid"]
        groups = [{"key": jwk(group["publicKey"]), "tests": valid(group)[:4]} for group in groups][:40]
        write(f"misfit_{name}", head | {"algorithm": algorithm}, [group for group in groups if group["tests"]])
    for name in TOKENS:
        head, groups = source(name)
        token = lambda test: [test["tcId"], test["comment"], test["jws"], test["result"]]
        keys = lambda group: without_private(group.get("public", group.get("private")))
        groups = [{"key": keys(g), "tests": [token(t) for t in g["tests"]]} for g in groups]
        write(name, head | {"algorithm": None}, groups)


if __name__ == "__main__":
    main(sys.argv[1])
