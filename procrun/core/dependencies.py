"""What comes after what, as a graph of process types. Linear and without recursion: a graph may have any size."""

from collections.abc import Collection, Iterator, Mapping, Sequence

SHOWN = 10
"""Process types of a cycle that a message names."""

After = Mapping[str, Collection[str]]
"""Of each process type those that it starts after; a type that is named and has no entry starts after nothing."""


def cycle(after: After) -> tuple[str, ...]:
    """A process type that comes after itself, and the way back to it; empty where there is none.

    Of the types on the way the one that `after` names first stands at both ends.
    """
    done: set[str] = set()
    for first in after:
        way: dict[str, Iterator[str]] = {} if first in done else {first: iter(after[first])}
        while way:
            last = next(reversed(way))
            other = next((other for other in way[last] if other not in done), None)
            if other is None:
                done.add(last)
                del way[last]
            elif other in way:
                found = [*way][[*way].index(other) :]
                at = found.index(next(type_ for type_ in after if type_ in found))
                return (*found[at:], *found[: at + 1])
            else:
                way[other] = iter(after.get(other, ()))
    return ()


def told(way: Sequence[str]) -> str:
    """A cycle for people; of a long one the middle is left out."""
    shown = [*way[:SHOWN], "…", way[-1]] if len(way) > SHOWN + 2 else way
    return " → ".join(shown)


def all_before(type_: str, after: After) -> set[str]:
    """Every process type that `type_` starts after, directly or not."""
    found: set[str] = set()
    rest = [type_]
    while rest:
        new = set(after.get(rest.pop(), ())) - found
        found |= new
        rest += new
    return found


def ranks(after: After) -> dict[str, int]:
    """How many types must be gone, one after the other, before a type is stopped: 0 for most.

    Types on a cycle, which no plan has, keep the rank they have got from outside of it.
    """
    found = dict.fromkeys(after, 0)
    waiting = dict.fromkeys(after, 0)
    for others in after.values():
        for other in others:
            waiting[other] = waiting.get(other, 0) + 1
    free = [type_ for type_ in waiting if not waiting[type_]]
    while free:
        type_ = free.pop()
        for other in after.get(type_, ()):
            found[other] = max(found.get(other, 0), found[type_] + 1)
            waiting[other] -= 1
            if not waiting[other]:
                free.append(other)
    return found
