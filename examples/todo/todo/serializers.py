from rest_framework import serializers

from .models import Digest, Item


class ItemSerializer(serializers.ModelSerializer):
    class Meta:
        model = Item
        fields = ["id", "title", "done", "archived", "created"]
        read_only_fields = ["archived"]


class DigestSerializer(serializers.ModelSerializer):
    class Meta:
        model = Digest
        fields = ["id", "open_items", "done_items", "made"]
