from django.urls import include, path
from rest_framework.routers import DefaultRouter

from . import views

router = DefaultRouter()
router.register("items", views.ItemViewSet)
router.register("digests", views.DigestViewSet)

urlpatterns = [
    path("", views.index),
    path("api/about/", views.about),
    path("api/", include(router.urls)),
]
