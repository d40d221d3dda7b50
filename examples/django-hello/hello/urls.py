import logging

from django.http import HttpRequest, JsonResponse
from django.urls import path

log = logging.getLogger(__name__)


def hello(request: HttpRequest, name: str = "world") -> JsonResponse:
    log.info("hello to %s", name)
    return JsonResponse({"message": f"Hello, {name}!", "path": request.path})


urlpatterns = [path("", hello), path("hello/<str:name>", hello)]
