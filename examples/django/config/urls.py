from django.urls import path
from reports import views

urlpatterns = [
    path("", views.index, name="index"),
    path("reports/", views.add, name="add"),
    path("up/", views.up, name="up"),
]
