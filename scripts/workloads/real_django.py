# SPDX-License-Identifier: Apache-2.0
"""Django: its test client against a page with a form, a template, a session and the ORM on sqlite in memory."""
import sys

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["testserver"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for a benchmark only",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    USE_TZ=True,
)
django.setup()

from django import forms  # noqa: E402 (needs the settings)
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.template import engines  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402

PAGE = engines["django"].from_string(
    """<title>{{ title|title }}</title>
{% for user in users %}<p>{{ user.username|upper }}: {{ user.email|default:"none" }}</p>{% endfor %}
<form>{{ form.as_p }}</form>seen {{ seen }}"""
)


class Search(forms.Form):
    name = forms.CharField(max_length=20)
    number = forms.IntegerField(min_value=0)


def page(request):
    seen = request.session["seen"] = request.session.get("seen", 0) + 1
    users = User.objects.filter(username__contains=request.GET.get("name", "1")).order_by("-id")[:20]
    return HttpResponse(PAGE.render({"title": "people", "users": users, "form": Search(request.GET), "seen": seen}))


def add(request):
    form = Search(request.POST)
    if not form.is_valid():
        return JsonResponse(form.errors, status=400)
    number = form.cleaned_data["number"]
    User.objects.create(username="%s %d" % (form.cleaned_data["name"], number), email="%d@example.com" % number)
    return JsonResponse({"users": User.objects.count()})


urlpatterns = [path("", page), path("add", add)]

call_command("migrate", verbosity=0)
client = Client()
length = 0
for i in range(int(sys.argv[1])):
    length += len(client.get("/", {"name": str(i % 10), "number": i}).content)
    length += client.post("/add", {"name": "user", "number": i}).json()["users"]
    length += client.post("/add", {"name": "", "number": "x"}).status_code
print(User.objects.count(), client.session["seen"])
