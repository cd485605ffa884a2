"""The plain asyncio client that regeneration scripts use: rows in, base64 images, posts, rows out. Prints a JSON line."""

import asyncio
import base64
import json
import resource
import sys
import time
from pathlib import Path

import aiohttp


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def body_of(row: dict, root: Path) -> dict:
    content = []
    for part in row["messages"][0]["content"]:
        if part["type"] == "text":
            content.append(part)
        else:
            picture = root / "images" / part["hash"][:2] / f"{part['hash']}.png"
            data = base64.b64encode(picture.read_bytes()).decode("ascii")
            content.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}})
    question = {"model": "stub", "messages": [{"role": "user", "content": content}], "temperature": 0}
    return {**question, "max_tokens": 2048, "return_prompt_token_ids": True, "return_token_ids": True}


async def main(url: str, root: Path, total: int, lanes: int, target: Path) -> None:
    with (root / "dialogues.jsonl").open("rb") as lines, target.open("w") as out:
        connector = aiohttp.TCPConnector(limit=lanes)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout()) as session:
            rows = (json.loads(line) for _, line in zip(range(total), lines))

            async def lane() -> None:
                for row in rows:
                    async with session.post(f"{url}/v1/chat/completions", json=body_of(row, root)) as answer:
                        choice = (await answer.json())["choices"][0]
                    out.write(json.dumps({"id": row["id"], "choice": choice}) + "\n")

            began, cpu = time.perf_counter(), cpu_seconds()
            await asyncio.gather(*(lane() for _ in range(lanes)))
            rate = total / (time.perf_counter() - began)
            print(json.dumps({"rate": rate, "cpuMs": round((cpu_seconds() - cpu) * 1000 / total, 4)}))


if __name__ == "__main__":
    try:
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    except ImportError:
        pass
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5])))
