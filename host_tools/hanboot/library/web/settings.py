"""Django as the library uses it: sessions, CSRF, forms, templates; no models, no database.

SQLAlchemy stays the only data layer, so Django's ORM, admin and auth are not installed. Sessions
lie in the library's tables, see `sessions`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hanboot.library.images import IMAGE_MAX_BYTES
from hanboot.library.library import Library

_HERE = Path(__file__).parent

#: A form's texts, less the file.
_FORM_MAX_BYTES = 256 * 1024
#: What may be sent at all: the image, the texts and what the encoding adds.
BODY_MAX_BYTES = IMAGE_MAX_BYTES + _FORM_MAX_BYTES + 64 * 1024

SESSION_IDLE_S = 30 * 60
SESSION_MAX_S = 12 * 3600

#: No script and no style inline, nothing from elsewhere, in no frame, forms only to here.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def configure(library: Library, *, hosts: list[str], is_https: bool, behind_proxy: bool) -> None:
    """Configures Django for one library in this process; see `values`."""
    from django.conf import settings

    settings.configure(**values(library, hosts=hosts, is_https=is_https, behind_proxy=behind_proxy))


def values(
    library: Library, *, hosts: list[str], is_https: bool, behind_proxy: bool
) -> dict[str, Any]:
    """Django's settings by name.

    Args:
        hosts: names under which the server answers; others get 400.
        is_https: whether browsers reach it by https: cookies are then for https alone.
        behind_proxy: whether X-Forwarded-Proto and X-Forwarded-For come from a trusted proxy.
    """
    return dict(
        DEBUG=False,
        SECRET_KEY=library.key.derive("django"),
        ALLOWED_HOSTS=hosts,
        ROOT_URLCONF="hanboot.library.web.urls",
        MIDDLEWARE=[
            "hanboot.library.web.middleware.limits",
            "hanboot.library.web.middleware.security_headers",
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "hanboot.library.web.middleware.explained",
            "hanboot.library.web.middleware.signed_in",
        ],
        INSTALLED_APPS=[],
        DATABASES={},
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [_HERE / "templates"],
                "OPTIONS": {
                    "context_processors": ["hanboot.library.web.pages.context"],
                    "builtins": ["hanboot.library.web.inputs"],
                },
            }
        ],
        USE_TZ=True,
        TIME_ZONE="UTC",
        USE_I18N=False,
        SESSION_ENGINE="hanboot.library.web.sessions",
        SESSION_SERIALIZER="django.contrib.sessions.serializers.JSONSerializer",
        SESSION_COOKIE_NAME="__Host-session" if is_https else "session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_AGE=SESSION_MAX_S,
        CSRF_USE_SESSIONS=True,
        CSRF_FAILURE_VIEW="hanboot.library.web.pages.csrf_failed",
        DATA_UPLOAD_MAX_MEMORY_SIZE=_FORM_MAX_BYTES,
        DATA_UPLOAD_MAX_NUMBER_FIELDS=200,
        DATA_UPLOAD_MAX_NUMBER_FILES=8,
        FILE_UPLOAD_HANDLERS=["django.core.files.uploadhandler.TemporaryFileUploadHandler"],
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https") if behind_proxy else None,
        SECURE_HSTS_SECONDS=31_536_000 if is_https else 0,
        SECURE_REFERRER_POLICY="same-origin",
        LOGGING_CONFIG=None,
        HANBOOT_LIBRARY=library,
        HANBOOT_BEHIND_PROXY=behind_proxy,
    )
