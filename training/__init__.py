"""Fits recurrent sentiment classifiers and packs them into bundles that `service` serves."""
