"""Signing in and out, invitations, sessions, tokens."""

from __future__ import annotations

import io

import segno
import sqlalchemy as sa
from django import forms
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from hanboot.errors import HanbootError
from hanboot.library import audit
from hanboot.library.accounts import login, secrets, tokens, users
from hanboot.library.accounts.secrets import PASSWORD_MAX, PASSWORD_MIN
from hanboot.library.schema import SessionRow
from hanboot.library.web import pages
from hanboot.library.web.middleware import address_of
from hanboot.library.web.routes import PUBLIC, SIGNED_IN, route
from hanboot.library.web.sessions import USER

ISSUER = "Central Firmware Library"


class SignInForm(forms.Form):
    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = forms.CharField(
        label="Password",
        max_length=PASSWORD_MAX,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    code = forms.CharField(
        label="Code of the second factor",
        max_length=40,
        help_text="Six digits from your authenticator, or a recovery code.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )


@route("sign-in", PUBLIC, methods=("GET", "POST"))
def sign_in(request: HttpRequest) -> HttpResponseBase:
    form = SignInForm(request.POST or None)
    target = request.GET.get("next", "")
    if request.method == "GET":
        return pages.render(request, "sign_in.html", {"form": form})
    if form.is_valid():
        library = pages.library()
        try:
            user = login.sign_in(
                library.registry.database,
                library.key,
                email=form.cleaned_data["email"],
                password=form.cleaned_data["password"],
                code=form.cleaned_data["code"],
                address=address_of(request),
                now=library.clock(),
            )
        except login.NotSignedIn as error:
            form.add_error(None, ". ".join(line.capitalize() for line in error.lines) + ".")
            return pages.render(request, "sign_in.html", {"form": form}, 403)
        # a key that another person may know from before must not become a signed-in one
        request.session.cycle_key()
        request.session[USER] = user.number
        request.session["agent"] = request.META.get("HTTP_USER_AGENT", "")[:256]
        safe = url_has_allowed_host_and_scheme(target, allowed_hosts=None)
        return HttpResponseRedirect(target) if target and safe else redirect("front")
    return pages.render(request, "sign_in.html", {"form": form}, 400)


@route("sign-out", SIGNED_IN, methods=("POST",))
def sign_out(request: HttpRequest) -> HttpResponseBase:
    library = pages.library()
    with library.registry.database.writing() as connection:
        audit.add(connection, pages.user_of(request).actor, "sign out")
    request.session.flush()
    return redirect("sign_in")


class AcceptForm(forms.Form):
    name = forms.CharField(
        label="Your name",
        max_length=256,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label="Password",
        min_length=PASSWORD_MIN,
        max_length=PASSWORD_MAX,
        strip=False,
        help_text=f"At least {PASSWORD_MIN} characters; four random words do.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    code = forms.CharField(
        label="Code that the authenticator shows",
        max_length=10,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


@route("invitations/<str:token>", PUBLIC, methods=("GET", "POST"))
def accept_invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    library = pages.library()
    now = library.clock()
    with library.registry.database.reading() as connection:
        invited = users.invitation(connection, token, now)
    # the secret stays in the session until a code of it was shown back
    secret = request.session.setdefault("totp", secrets.new_totp_secret())
    form = AcceptForm(request.POST or None)
    if invited.user is not None:
        # a recovery: the user keeps the name
        del form.fields["name"]
    uri = secrets.totp_uri(secret, invited.email, ISSUER)
    values = {"form": form, "invited": invited, "secret": secret, "qr": _qr(uri)}
    if request.method == "GET" or not form.is_valid():
        return pages.render(
            request, "invitation.html", values, 200 if request.method == "GET" else 400
        )
    step = secrets.totp_step(secret, form.cleaned_data["code"].strip(), int(now.timestamp()), 0)
    if step is None:
        form.add_error("code", "This is not the code of now: add the secret, then type its code.")
        return pages.render(request, "invitation.html", values, 400)
    try:
        with library.registry.database.writing() as connection:
            _, codes = users.accept(
                connection,
                library.key,
                invited,
                form.cleaned_data.get("name", ""),
                form.cleaned_data["password"],
                secret,
                now,
            )
    except HanbootError as error:
        form.add_error(None, error.lines[1])
        return pages.render(request, "invitation.html", values, 400)
    del request.session["totp"]
    return pages.render(request, "recovery_codes.html", {"codes": codes})


def _qr(uri: str) -> str:
    """An SVG without style of its own: the policy allows none inline."""
    written = io.BytesIO()
    segno.make(uri, error="m").save(
        written, kind="svg", scale=5, xmldecl=False, svgns=True, omitsize=False, svgclass="qr"
    )
    return written.getvalue().decode()


# --- the own account


class TokenForm(forms.Form):
    name = forms.CharField(label="What it is for", max_length=256)
    scope = forms.ChoiceField(
        label="Scope", choices=[(scope.value, scope.value) for scope in tokens.TokenScope]
    )
    days = forms.IntegerField(
        label="Days until it ends", min_value=1, max_value=tokens.DAYS_MAX, initial=90
    )


@route("account", SIGNED_IN, methods=("GET", "POST"))
def account(request: HttpRequest) -> HttpResponseBase:
    library, user = pages.library(), pages.user_of(request)
    form = TokenForm(request.POST or None)
    made = ""
    if request.method == "POST" and form.is_valid():
        with library.registry.database.writing() as connection:
            made = tokens.issue(
                connection,
                user,
                name=form.cleaned_data["name"],
                scope=tokens.TokenScope(form.cleaned_data["scope"]),
                days=form.cleaned_data["days"],
                now=library.clock(),
            )
        form = TokenForm()
    with library.registry.database.reading() as connection:
        values = {
            "form": form,
            "made": made,
            "tokens": tokens.tokens_of(connection, user),
            "sessions": _sessions(connection, user.number, request.session.session_key or ""),
        }
    return pages.render(request, "account.html", values)


def _sessions(connection: sa.Connection, user: int, own_key: str) -> list[dict[str, object]]:
    own = secrets.digest(own_key)
    rows = connection.execute(
        sa.select(SessionRow.__table__)
        .where(SessionRow.user == user)
        .order_by(SessionRow.seen_at.desc())
    )
    return [
        {
            "handle": row.digest.hex()[:16],
            "agent": row.agent or "unknown",
            "created_at": row.created_at,
            "seen_at": row.seen_at,
            "is_this": row.digest == own,
        }
        for row in rows
    ]


@route("account/sessions/<str:handle>/end", SIGNED_IN, methods=("POST",))
def end_session(request: HttpRequest, handle: str) -> HttpResponseBase:
    user = pages.user_of(request)
    with pages.library().registry.database.writing() as connection:
        for row in connection.execute(
            sa.select(SessionRow.digest).where(SessionRow.user == user.number)
        ).all():
            if row.digest.hex()[:16] == handle:
                connection.execute(sa.delete(SessionRow).where(SessionRow.digest == row.digest))
                audit.add(connection, user.actor, "end session", handle)
    return redirect("account")


@route("account/tokens/<str:handle>/revoke", SIGNED_IN, methods=("POST",))
def revoke_token(request: HttpRequest, handle: str) -> HttpResponseBase:
    with pages.library().registry.database.writing() as connection:
        tokens.revoke(connection, pages.user_of(request), handle)
    return redirect("account")
