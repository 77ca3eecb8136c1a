"""Fields of forms as the pages show them: label, help, what was wrong, input.

Put together here: Django renders two templates for each input, and one for each list of errors.
"""

from __future__ import annotations

from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField
from django.forms.renderers import BaseRenderer
from django.forms.utils import flatatt
from django.utils.html import format_html
from django.utils.safestring import SafeString

#: Filters that every template has, see `settings`.
register = template.Library()


class TextInput(forms.TextInput):
    """The same text input as Django's."""

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,
    ) -> SafeString:
        widget = self.get_context(name, value, attrs)["widget"]
        own = {"type": widget["type"], "name": widget["name"], "value": widget["value"]}
        return format_html("<input{}>", flatatt(own | widget["attrs"]))


@register.filter
def with_label(field: BoundField) -> SafeString:
    """A field with its label before it, or after it where it is a box to tick."""
    is_box = field.widget_type == "checkbox"
    return format_html(
        '<div class="field{}">\n{}<label for="{}">{}</label>\n{}\n{}\n{}\n</div>\n',
        " check" if is_box else "",
        format_html("{} ", field) if is_box else "",
        field.id_for_label,
        field.label,
        format_html('<span class="help" id="{}_helptext">{}</span>', field.auto_id, field.help_text)
        if field.help_text
        else "",
        field.errors or "",
        "" if is_box else field,
    )
