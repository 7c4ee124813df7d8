"""``ssm:NAME`` or ``ssm:NAME#FIELD``: a parameter of AWS Systems Manager, or a field of one that holds JSON."""

from __future__ import annotations

import json
import logging
from typing import Any

from prefiq.settings.secret_stores import Ask, SecretNotRead, StoreDown

__all__ = ["ParameterStore", "open_ssm"]

FORM = "ssm:NAME, or ssm:NAME#FIELD for a field of JSON, such as ssm:/prefiq/jwt"


class ParameterStore:
    """The parameters of one account and region.

    Args:
        client: As boto3 makes it for ``ssm``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self, name: str) -> str:  # noqa: D102
        from botocore import exceptions

        parameter, _, field = name.partition("#")
        try:
            answer = self._client.get_parameter(Name=parameter, WithDecryption=True)
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            fix = "give the machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise StoreDown("nothing says who asks the store", fix) from None
        except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError):
            raise StoreDown("the store does not answer in time") from None
        except (exceptions.ConnectionError, exceptions.HTTPClientError):
            raise StoreDown("the store cannot be reached", "AWS_REGION and the network") from None
        except exceptions.ParamValidationError:
            raise SecretNotRead("the reference is no parameter's name", FORM) from None
        except exceptions.ClientError as error:
            raise _refused(error) from None
        value: Any = answer["Parameter"]["Value"]
        return _field_of(value, field) if field else str(value)

    def close(self) -> None:  # noqa: D102
        self._client.close()


def _refused(error: Any) -> SecretNotRead:
    # The message repeats the name and the caller's identity; the code is a word.
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code == "ParameterNotFound":
        return SecretNotRead("there is no such parameter", FORM)
    if code.startswith("AccessDenied"):
        return SecretNotRead(
            "the store refuses it to this identity", "allow ssm:GetParameter and kms:Decrypt"
        )
    if code in {"UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException"}:
        return StoreDown("the store does not know this identity", "renew the credentials")
    return SecretNotRead(f"the store answers with an error ({code[:40] or 'unknown'})")


def _field_of(text: str, field: str) -> str:
    try:
        value = json.loads(text)
        found = value.get(field) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, str) or not found:
        raise SecretNotRead("the parameter is no JSON with a text in that field", FORM)
    return found


def open_ssm(ask: Ask, timeout: float) -> ParameterStore:
    """The Parameter Store of ``AWS_REGION``, as who boto3 finds: variables, a profile, the machine's role.

    Args:
        ask: Reads ``AWS_REGION``, ``AWS_PROFILE``, ``AWS_ENDPOINT_URL_SSM`` and the keys, also from ``.env``.
        timeout: Seconds for one answer.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise StoreDown("the library boto3 is not installed", 'pip install "prefiq[ssm]"') from None
    logger = logging.getLogger("botocore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)  # at DEBUG it writes the answers, secrets and all
    region = ask("AWS_REGION") or ask("AWS_DEFAULT_REGION")
    key_id, key = ask("AWS_ACCESS_KEY_ID"), ask("AWS_SECRET_ACCESS_KEY")
    if bool(key_id) != bool(key):
        raise StoreDown("one of the two keys is given alone", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    config = Config(connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 1})
    try:
        session = boto3.Session(
            aws_access_key_id=key_id,
            aws_secret_access_key=key,
            aws_session_token=ask("AWS_SESSION_TOKEN"),
            region_name=region,
            profile_name=ask("AWS_PROFILE"),
        )
        endpoint = ask("AWS_ENDPOINT_URL_SSM") or ask("AWS_ENDPOINT_URL")
        return ParameterStore(session.client("ssm", config=config, endpoint_url=endpoint))
    except (BotoCoreError, ValueError) as error:
        problem = f"the store's variables do not agree ({type(error).__name__})"
        raise StoreDown(problem, "set AWS_REGION, or a profile that has one") from None
