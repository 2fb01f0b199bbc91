"""The simulated providers, as far as a merchant's journey differs between them."""

from dataclasses import dataclass

import requests


@dataclass(frozen=True)
class Vk:
    """VK at an address."""

    address: str
    key = "vk"
    title = "ВКонтакте"
    account = "1000001"
    name = "Анна Смирнова"
    # What breaks the connection, on the control page.
    breaks = "revoke"

    def owner(self, token):
        """The account whose token it is, as a worker would ask."""
        answer = get(f"{self.address}/method/users.get?v=5.131", token)
        [user] = answer["response"]
        return str(user["id"])


@dataclass(frozen=True)
class Evotor:
    """Evotor at an address."""

    address: str
    key = "evotor"
    title = "Эвотор"
    account = "2000001"
    name = "2 магазина: Лавка на Мира, Склад"
    breaks = "uninstall"

    def owner(self, token):
        """The least id of the account's shops, which stands for it."""
        answer = get(f"{self.address}/stores", token, Accept="application/vnd.evotor.v2+json")
        return min(shop["id"] for shop in answer["items"])


def get(url, token, **headers):
    return requests.get(url, headers={"Authorization": f"Bearer {token}", **headers}, timeout=30).json()
