"""The peer's sweep: a loop over the table that asks VK about one token after the other and writes each answer.

As usually written it makes a client for each check; `--shared` makes one for all. It opens no seals: the stub
answers any token. Prints checks, processor time and wall time, in microseconds.
"""

import argparse
import asyncio
import json
import os
import resource
import time

import boto3
import httpx

TABLE = os.environ["CONNECTIONS_TABLE"]


async def ask(client, row):
    headers = {"Authorization": f"Bearer token-{row['vk_user_id']['S']}"}
    answer = await client.post(f"{os.environ['VK_API_URL']}/users.get", params={"v": "5.131"}, headers=headers)
    return "response" in answer.json()


async def check(row, shared):
    if shared:
        return await ask(shared, row)
    async with httpx.AsyncClient(timeout=5) as client:
        return await ask(client, row)


async def sweep(shared):
    dynamodb = boto3.client("dynamodb")
    client = httpx.AsyncClient(timeout=5) if shared else None
    checks = 0
    for page in dynamodb.get_paginator("scan").paginate(TableName=TABLE):
        for row in page["Items"]:
            is_online = await check(row, client)
            dynamodb.update_item(
                TableName=TABLE,
                Key={"user_id": row["user_id"], "provider": row["provider"]},
                UpdateExpression="SET is_online = :online, last_checked_at = :now",
                ConditionExpression="generation = :seen",
                ExpressionAttributeValues={
                    ":online": {"BOOL": is_online},
                    ":now": {"S": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())},
                    ":seen": row["generation"],
                },
            )
            checks += 1
    return checks


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", action="store_true")
    shared = parser.parse_args().shared
    began, spent = time.monotonic(), cpu()
    checks = asyncio.run(sweep(shared))
    wall, spent = time.monotonic() - began, cpu() - spent
    print(json.dumps({"checks": checks, "cpu_us": spent * 1e6, "wall_us": wall * 1e6}))


if __name__ == "__main__":
    main()
