# The life of a device, the same for PPMID and IHD: test itself, confirm, then read the meter,
# answer the console and keep the display right. What a device does besides is a list of features;
# a release is little more than its list.

import asyncio

from records import Damaged
from update_lines import progress_lines, verdict_lines, version_text

METER_TIMEOUT_S = 5
_POLL_S = 0.1


class Feature:
    # (word, how it is typed, what answers it): a method from the rest of the line to one line
    commands = ()

    # read what is kept
    def start(self) -> None:
        pass

    # part of the self-test: raises what is wrong
    def check(self) -> None:
        pass

    # Once it is certain that this release stays: after its confirmation, and at each later start.
    # Only from here on may anything be changed that the release before still needs.
    def confirmed(self) -> None:
        pass

    # a half-hour has passed
    def used(self, watt_hours: int, day_is_over: bool) -> None:
        pass

    # a restart is coming
    def keep(self) -> None:
        pass

    def lines(self) -> "tuple[str, ...]":
        return ()


async def run(name: str, services: object, features: "tuple[Feature, ...]", feed: object) -> None:
    title = name + " " + (services.label or version_text(services.file_version))
    try:
        for feature in features:
            feature.start()
    except Damaged:
        # On trial: back to the release that can perhaps read it. Otherwise it takes a person;
        # until then nothing is written over what is left. The link works on all the same.
        if services.on_trial:
            raise
        services.show((title, "Record damaged", "Call your supplier"))
        while True:
            await asyncio.sleep(60)

    # A failure leaves here as an exception, which ends the trial: the device reverts.
    if services.on_trial:
        await _self_test(features, feed)
        services.confirm()
    for feature in features:
        feature.confirmed()

    await asyncio.gather(_count(features, feed), _serve(title, services, features))


async def _self_test(features: "tuple[Feature, ...]", feed: object) -> None:
    for feature in features:
        feature.check()
    await asyncio.wait_for(feed.read(), METER_TIMEOUT_S)


async def _count(features: "tuple[Feature, ...]", feed: object) -> None:
    before = await feed.read()
    while True:
        register, day_is_over = await feed.next()
        for feature in features:
            feature.used(register - before, day_is_over)
        before = register


async def _serve(title: str, services: object, features: "tuple[Feature, ...]") -> None:
    shown = None
    kept_for_restart = False
    while True:
        typed = services.readline()
        if typed is not None:
            services.say(answer(typed, features))

        update = services.update()
        if update[0] == "pending" and not kept_for_restart:
            for feature in features:
                feature.keep()
        kept_for_restart = update[0] == "pending"

        lines = [title]
        for feature in features:
            lines.extend(feature.lines())
        # what is under way takes the place of what was refused before
        lines.extend(progress_lines(*update) or verdict_lines(services.verdict()))
        if lines != shown:
            services.show(tuple(lines))
            shown = lines
        await asyncio.sleep(_POLL_S)


def answer(typed: str, features: "tuple[Feature, ...]") -> str:
    word, _, rest = typed.strip().partition(" ")
    usages = []
    for feature in features:
        for command, usage, method in feature.commands:
            if word == command:
                return method(rest.strip())
            usages.append(usage)
    if word == "help":
        return "Commands: " + ", ".join(usages + ["help"])
    return "Unknown command: type help"
