"""Sealed pictures: uploads, images, blobs; knows no conversation."""
