#!/usr/bin/env python3
"""What a fleet asks of its storage in a month, and what that costs: the table of fleet.md.

Constants are measured (the sizes and requests of tests and benchmarks) or list prices of 2026, without free tiers and within one
region. Limits: no machine is ever new, no request fails, and storage is what one month's modules need.
"""

MACHINES = 1000
MODULES = 100
HOURS = 24 * 30
CHURN = 0.01  # of the modules, in each hour
PACK = 107_000  # bytes of a module's pack: 40 files of 9.8 KB
LISTING = 1_400  # bytes of git's answer to "which commits do you have", with headers

# Dollars: 1,000 GETs, 1,000 PUTs, a GB out of the region's network, a GB kept for a month.
PRICES = {
    "S3, same region": (0.0004, 0.005, 0.0, 0.023),
    "S3, to the internet": (0.0004, 0.005, 0.09, 0.023),
    "R2": (0.00036, 0.0045, 0.0, 0.015),
}


def main():
    changes = MODULES * CHURN * HOURS
    gets = MACHINES * changes
    received = gets * PACK
    stored = (MODULES + changes) * PACK
    print("| | requests a month | bytes a month | list price |")
    print("|---|---:|---:|---:|")
    asked = MACHINES * MODULES * HOURS
    print(f"| git servers, unlocked | {asked + gets:,.0f} | {(received + asked * LISTING) / 1e9:,.0f} GB | "
          f"none; {(asked + gets) / HOURS:,.0f} requests an hour |")
    for name, (get, put, out, keep) in PRICES.items():
        cost = gets / 1000 * get + changes / 1000 * put + received / 1e9 * out + stored / 1e9 * keep
        print(f"| {name}, locked | {gets:,.0f} | {received / 1e9:,.0f} GB | {cost:,.2f} $ |")
    cold = MACHINES * MODULES
    print(f"| once, when all machines are new | {cold:,.0f} | {cold * PACK / 1e9:,.1f} GB | {cold / 1000 * 0.0004:,.2f} $ (S3) |")


if __name__ == "__main__":
    main()
