from django.db import connection
from django.shortcuts import render
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import api_view
from rest_framework.response import Response

from . import tasks
from .models import Digest, Item
from .serializers import DigestSerializer, ItemSerializer


def index(request):
    return render(request, "todo/index.html")


class ItemViewSet(viewsets.ModelViewSet):
    serializer_class = ItemSerializer
    queryset = Item.objects.filter(archived=False)


class DigestViewSet(mixins.ListModelMixin, viewsets.GenericViewSet):
    serializer_class = DigestSerializer
    queryset = Digest.objects.all()

    def create(self, request):
        tasks.make_digest()
        return Response({"accepted": True}, status=status.HTTP_202_ACCEPTED)


@api_view(["GET"])
def about(request):
    """Which database answers, for those who doubt it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()" if connection.vendor == "mysql" else "SELECT sqlite_version()")
        return Response({"database": connection.vendor, "version": cursor.fetchone()[0]})
