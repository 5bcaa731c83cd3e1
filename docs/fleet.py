#!/usr/bin/env python3
"""Simulates a fleet for a month and prints what it asks of its storage and what that costs: the tables of fleet.md.

Every machine updates once an hour, at a second of its own or with all others on the hour. Modules change at random times. A
machine without a lock asks the git server of each module what is new, and fetches what is. A machine with a lock reads what
changed from the tier. The same seed gives the same tables.

Constants are measured (the sizes and requests of tests and benchmarks) or list prices of 2026, without free tiers. Limits: no
machine is ever new, no request fails, and storage is what one month's modules need.
"""

import random
from collections import Counter

MACHINES = 1000
MODULES = 100
HOURS = 24 * 30
CHURN = 0.01  # of the modules, in each hour
PACK = 107_000  # bytes of a module's pack: 40 files of 9.8 KB
LISTING = 1_400  # bytes of git's answer to "which commits do you have", with headers
LARGE = 76_800_000  # bytes of the pack of 50,000 files
THIN = 3_000  # bytes of its thin pack, if 10 files changed

# Dollars: 1,000 GETs, 1,000 PUTs, a GB out of the region's network, a GB kept for a month.
PRICES = {
    "S3, same region": (0.0004, 0.005, 0.0, 0.023),
    "S3, to the internet": (0.0004, 0.005, 0.09, 0.023),
    "R2": (0.00036, 0.0045, 0.0, 0.015),
}

# What one account may ask of git servers, as their documentation has it.
HOURLY = ("Bitbucket Cloud, git operations an hour", 60_000)
EACH_MINUTE = ("GitLab's default, git operations by SSH a minute, for each repository", 600)

MONTH = HOURS * 3600


def changes(draw):
    """When which module changes, in order."""
    at = ((draw.uniform(0, MONTH), module) for module in range(MODULES) for _ in range(times(draw)))
    return sorted(at)


def times(draw):
    """How often one module changes in the month."""
    return sum(draw.random() < CHURN for _ in range(HOURS))


def simulate(spread):
    """Fetches of the month, of each machine, and how many requests of each kind fall into the busiest minute."""
    draw = random.Random(18)
    changed = changes(draw)
    fetches = []
    minutes = {"git": Counter(), "tier": Counter()}
    for _ in range(MACHINES):
        start, seen, fetched = draw.uniform(0, 3600) if spread else 0.0, 0, 0
        for hour in range(1, HOURS + 1):
            now, new = start + hour * 3600, set()
            while seen < len(changed) and changed[seen][0] <= now:
                new.add(changed[seen][1])
                seen += 1
            fetched += len(new)
            minute = int(now // 60)
            minutes["git"][minute] += MODULES + len(new)
            minutes["tier"][minute] += len(new)
        fetches.append(fetched)
    busiest = {kind: max(counts.values()) for kind, counts in minutes.items()}
    return len(changed), fetches, busiest


def price(name, gets, puts, received, stored):
    get, put, out, keep = PRICES[name]
    return gets / 1000 * get + puts / 1000 * put + received / 1e9 * out + stored / 1e9 * keep


def print_fleet(published, fetches, busiest, at_once):
    gets, asked = sum(fetches), MACHINES * MODULES * HOURS
    received, stored = gets * PACK, (MODULES + published) * PACK
    listed = received + asked * LISTING

    def row(name, requests, size, kind, cost):
        print(f"| {name} | {requests:,.0f} | {size / 1e9:,.0f} GB | {requests / MACHINES / 30:,.0f} | "
              f"{size / MACHINES / 30 / 1e6:,.1f} MB | {busiest[kind]:,.0f} | {at_once[kind]:,.0f} | {cost} |")

    print("| | requests a month | bytes a month | of one machine a day | | busiest minute | all on the hour | list price a month |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    row("git servers, unlocked", asked + gets, listed, "git", "none")
    for name in PRICES:
        # A publisher asks whether an object is there, and writes it.
        row(f"{name}, locked", gets, received, "tier", f"{price(name, gets + published, published, received, stored):,.2f} $")
    cold = MACHINES * MODULES
    print(f"| once, when all machines are new | {cold:,.0f} | {cold * PACK / 1e9:,.1f} GB | {MODULES} | "
          f"{MODULES * PACK / 1e6:,.1f} MB | | {cold:,.0f} | {cold / 1000 * 0.0004:,.2f} $ (S3) |")


def print_limits(fetches, busiest, at_once):
    hourly = (MACHINES * MODULES * HOURS + sum(fetches)) / HOURS
    print("| limit of one account | | unlocked | all on the hour | locked, from a tier |")
    print("|---|---:|---:|---:|---:|")
    name, most = HOURLY
    print(f"| {name} | {most:,} | {hourly:,.0f} | {hourly:,.0f} | 0 |")
    name, most = EACH_MINUTE
    print(f"| {name} | {most:,} | {busiest['git'] / MODULES:,.0f} | {at_once['git'] / MODULES:,.0f} | 0 |")


def print_large():
    print("| one module of 50,000 files, 10 change every hour | bytes a month | S3, to the internet |")
    print("|---|---:|---:|")
    for name, size in [("whole packs", LARGE), ("thin packs", THIN)]:
        gets = MACHINES * HOURS
        cost = price("S3, to the internet", gets, 2 * HOURS, gets * size, HOURS * (LARGE + THIN))
        print(f"| {name} | {gets * size / 1e9:,.0f} GB | {cost:,.2f} $ |")


def main():
    published, fetches, busiest = simulate(spread=True)
    _, _, at_once = simulate(spread=False)
    print_fleet(published, fetches, busiest, at_once)
    print()
    print_limits(fetches, busiest, at_once)
    print()
    print_large()


if __name__ == "__main__":
    main()
