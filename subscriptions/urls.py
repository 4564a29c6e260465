"""The readers' pages. The unsubscribe address takes both spellings: a redirect would break one-click (RFC 8058)."""

from django.urls import path, re_path

from subscriptions import views

app_name = "subscriptions"
urlpatterns = [
    path("subscribe/", views.subscribe, name="subscribe"),
    path("subscribe/sent/", views.sent, name="sent"),
    path("embed/", views.embed, name="embed"),
    path("embed/code/", views.embed_code, name="embed_code"),
    path("confirm/<str:token>/", views.confirm, name="confirm"),
    path("preferences/", views.ask_link, name="ask_link"),
    path("preferences/<str:token>/", views.preferences, name="preferences"),
    path("preferences/<str:token>/interests/", views.several, name="interests"),
    path("preferences/<str:token>/interests/<int:interest>/", views.one, name="interest"),
    path("preferences/<str:token>/<slug:part>/", views.preferences, name="preferences_part"),
    path("move/<str:token>/", views.move, name="move"),
    re_path(r"^u/(?P<token>[A-Za-z0-9_-]{24})/?$", views.unsubscribe, name="unsubscribe"),
    path("privacy/", views.privacy, name="privacy"),
]
