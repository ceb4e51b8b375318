# SPDX-License-Identifier: Apache-2.0
"""The list of berths for everybody, and its forms for those who have signed in."""

from django import forms
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.views.generic import CreateView, DeleteView, ListView, UpdateView

from berths.models import Berth


class BerthList(ListView):
    model = Berth


class BerthForm(LoginRequiredMixin, SuccessMessageMixin):
    model = Berth
    fields = ["boat", "place", "note"]
    success_url = reverse_lazy("berths:list")
    success_message = "%(boat)s lies at %(place)s."


class BerthCreate(BerthForm, CreateView):
    def form_valid(self, form: forms.ModelForm) -> HttpResponse:
        form.instance.entered_by = self.request.user
        return super().form_valid(form)


class BerthChange(BerthForm, UpdateView):
    pass


class BerthDelete(LoginRequiredMixin, DeleteView):
    model = Berth
    success_url = reverse_lazy("berths:list")
