"""A program that uses the library's API with a token."""

from __future__ import annotations

import json
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client


class Program:
    """Sends requests with one token; keeps the last answer."""

    def __init__(self, token: str = "") -> None:
        self._client = Client()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.status = 0
        self.octets = b""
        self.headers: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer's document; bytes where it is none."""
        path = path if path.startswith("/") else f"/api/v1/{path}"
        response = self._client.generic(
            method,
            path,
            b"" if body is None else json.dumps(body),
            content_type="application/json",
            headers={**self._headers, **headers},
        )
        return self._keep(response)

    def get(self, path: str, **headers: str) -> Any:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None) -> Any:
        return self.ask("POST", path, {} if body is None else body)

    def hand_in(self, path: str, draft: dict[str, Any], **files: bytes) -> Any:
        """Sends a draft and its files as multipart/form-data."""
        parts: dict[str, Any] = {"draft": json.dumps(draft)}
        parts |= {name: SimpleUploadedFile(name, octets) for name, octets in files.items()}
        return self._keep(self._client.post(f"/api/v1/{path}", parts, headers=self._headers))

    def _keep(self, response: Any) -> Any:
        self.status = response.status_code
        self.octets = response.content
        self.headers = dict(response.headers)
        if self.octets and "json" in self.headers.get("Content-Type", ""):
            return json.loads(self.octets)
        return self.octets
