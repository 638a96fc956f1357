"""The whole chain: a configuration, a database, an API, transformations, a gate, a report.

And what runs again when one of them changes. `python examples/etl/etl.py`
"""

from __future__ import annotations

import csv
import json
import sqlite3
import tempfile
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import everfresh as ef

Order = tuple[int, str, float, str]
Settings = dict[str, Any]


def pipeline(cache_dir: Path) -> ef.Pipeline:
    p = ef.Pipeline("etl", cache_dir=cache_dir)

    @p.source
    def settings(path: str) -> Settings:
        """Where everything is."""
        return dict(ef.load_config(path))

    @p.source
    def orders(settings: Settings) -> list[Order]:
        """Number, country, amount and currency of each order. The database counts by its stat."""
        connection = sqlite3.connect(settings["database"])
        rows = connection.execute("select number, country, amount, currency from orders order by number").fetchall()
        connection.close()
        return rows

    @p.source(ttl="1h", tags=("rates",))
    def rates(settings: Settings) -> dict[str, float]:
        """What currencies are worth in euros. Nobody sees a server change, so the answer grows old."""
        with urlopen(f"{settings['api']}/rates") as answer:
            return {str(currency): float(rate) for currency, rate in json.load(answer).items()}

    @p.check
    def plausible(orders: list[Order], rates: dict[str, float]) -> str:
        """Stands before all that takes the orders or the rates."""
        bad = [
            f"order {number}: {amount:g} {currency}"
            for number, _, amount, currency in orders
            if amount <= 0 or currency not in rates
        ]
        return ", ".join(bad)

    @p.step
    def in_euros(orders: list[Order], rates: dict[str, float]) -> list[tuple[str, float]]:
        """Country and amount of each order."""
        return [(country, amount * rates[currency]) for _, country, amount, currency in orders]

    @p.step
    def by_country(in_euros: list[tuple[str, float]]) -> dict[str, float]:
        """The sums, the largest first."""
        sums: dict[str, float] = defaultdict(float)
        for country, amount in in_euros:
            sums[country] += amount
        return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))

    @p.sink
    def report(by_country: dict[str, float], settings: Settings) -> str:
        """Writes the sums as CSV."""
        path = Path(settings["report"])
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["country", "euros"])
            rows.writerows((country, f"{euros:.2f}") for country, euros in by_country.items())
        return str(path)

    return p


class Api(ThreadingHTTPServer):
    """The rates, on this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.rates, self.requests = {"EUR": 1.0, "USD": 0.9}, 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        self.server.requests += 1
        body = json.dumps(self.server.rates).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Shop:
    """What the pipeline reads, and what it says of each run."""

    def __init__(self, folder: Path, api: Api) -> None:
        self.folder, self.database, self.report = folder, folder / "shop.db", folder / "out" / "report.csv"
        self.settings = folder / "etl.yaml"
        self.settings.write_text(f"database: {self.database}\napi: {api.url}\nreport: {self.report}\n")
        self.sql("create table orders(number integer primary key, country, amount, currency)")
        self.sql(
            "insert into orders values (1, 'Austria', 20, 'EUR'), (2, 'Peru', 50, 'USD'), (3, 'Austria', 40, 'EUR')"
        )
        self.pipeline = pipeline(folder / ".everfresh")

    def sql(self, statement: str) -> None:
        connection = sqlite3.connect(self.database)
        with connection:
            connection.execute(statement)
        connection.close()

    def run(self, when: str) -> None:
        try:
            ran = self.pipeline.run(path=str(self.settings)).ran
            print(f"{when}: {', '.join(ran) or 'nothing'} ran")
        except ef.CheckError as error:
            print(f"{when}: {error}")

    def show(self) -> None:
        print(*(f"    {line}" for line in self.report.read_text().splitlines()), sep="\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Api() as api:
        shop = Shop(Path(folder), api)
        shop.run("at first")
        shop.show()
        shop.run("once more")
        # Another process would find all of it too.
        shop.pipeline = pipeline(shop.folder / ".everfresh")
        shop.run("another pipeline over the same folder")
        shop.sql("insert into orders values (4, 'Peru', 70, 'EUR')")
        print(str(shop.pipeline.plan(path=str(shop.settings))).replace(folder, "…"))
        shop.run("a new order")
        shop.show()
        shop.sql("insert into orders values (5, 'Austria', 1, 'EUR')")
        shop.sql("delete from orders where number = 5")
        shop.run("the database is written, and says what it said")
        shop.report.write_text("forged\n")
        shop.run("somebody edited the report")
        shop.sql("insert into orders values (5, 'Peru', -5, 'CHF')")
        shop.run("a bad order")
        shop.show()
        shop.sql("delete from orders where number = 5")
        shop.run("it is gone again")
        shop.pipeline.clear("by_country")
        shop.run("one stage is cleared")
        api.rates["USD"] = 1.1
        shop.run("the API has other rates, for up to an hour nobody asks")
        ef.invalidate_tag("rates")
        shop.run("the rates are invalidated")
        shop.show()
        print(f"{api.requests} requests")
        api.shutdown()


if __name__ == "__main__":
    main()
