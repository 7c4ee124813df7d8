"""``vault:MOUNT/PATH#FIELD``: a field of a secret in a key/value engine, version 2, of HashiCorp Vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefiq.settings.secret_stores import Ask, SecretNotRead, StoreDown

if TYPE_CHECKING:
    import hvac

__all__ = ["VaultStore", "open_vault"]

FORM = "vault:MOUNT/PATH#FIELD, such as vault:secret/prefiq#jwt"


class VaultStore:
    """One Vault, asked as one identity.

    Args:
        client: Has its token.
    """

    def __init__(self, client: hvac.Client) -> None:
        self._client = client

    def read(self, name: str) -> str:  # noqa: D102
        import hvac.exceptions

        path, _, field = name.partition("#")
        mount, _, rest = path.strip("/").partition("/")
        if not (mount and rest and field):
            raise SecretNotRead("the reference names no mount, path and field", FORM)
        with _Explained():
            try:
                answer = self._client.secrets.kv.v2.read_secret_version(
                    path=rest, mount_point=mount, raise_on_deleted_version=True
                )
            except hvac.exceptions.InvalidPath:
                raise SecretNotRead("there is no such secret", FORM) from None
        value = answer["data"]["data"].get(field)
        if not isinstance(value, str) or not value:
            raise SecretNotRead("the secret has no text in that field", FORM)
        return value

    def close(self) -> None:  # noqa: D102
        self._client.adapter.close()


class _Explained:
    """Turns the library's errors into ours; what the server said stays unsaid."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import hvac.exceptions
        import requests

        match error:
            case hvac.exceptions.Forbidden() | hvac.exceptions.Unauthorized():
                fix = "a policy that lets this identity read it, and a token that is valid"
                raise SecretNotRead("the store refuses it to this identity", fix) from None
            case hvac.exceptions.VaultDown() | hvac.exceptions.VaultNotInitialized():
                raise StoreDown("the store is sealed or not ready") from None
            case requests.Timeout():
                raise StoreDown("the store does not answer in time") from None
            case requests.exceptions.SSLError():
                raise StoreDown("the store's certificate is not trusted", "VAULT_CACERT") from None
            case requests.RequestException():
                raise StoreDown("the store cannot be reached", "VAULT_ADDR") from None
            case hvac.exceptions.VaultError():
                raise SecretNotRead(f"the store answers with an error ({type(error).__name__})") from None


def open_vault(ask: Ask, timeout: float) -> VaultStore:
    """The Vault of ``VAULT_ADDR``, with ``VAULT_TOKEN``, or with ``VAULT_ROLE_ID`` and ``VAULT_SECRET_ID``.

    Args:
        ask: Reads these variables, and ``VAULT_NAMESPACE`` and ``VAULT_CACERT``.
        timeout: Seconds for one answer.
    """
    try:
        import hvac
    except ImportError:
        raise StoreDown("the library hvac is not installed", 'pip install "prefiq[vault]"') from None
    address, token, role = ask("VAULT_ADDR"), ask("VAULT_TOKEN"), ask("VAULT_ROLE_ID")
    if not address:
        raise StoreDown("no address of the store is given", "set VAULT_ADDR")
    if not token and not role:
        fix = "set VAULT_TOKEN_FILE, or VAULT_ROLE_ID and VAULT_SECRET_ID_FILE"
        raise StoreDown("nothing says who asks the store", fix)
    client = hvac.Client(
        url=address,
        token=(token or "").strip(),
        namespace=ask("VAULT_NAMESPACE"),
        verify=ask("VAULT_CACERT") or True,
        timeout=timeout,
    )
    if not token:
        with _Explained():
            try:
                client.auth.approle.login(role_id=role, secret_id=(ask("VAULT_SECRET_ID") or "").strip())
            except hvac.exceptions.InvalidRequest:
                raise StoreDown("the store does not know this role and its secret id") from None
    return VaultStore(client)
