"""Where frames come from: video files, folders of images, cameras and a generated pattern.

`vosrt.sources.open_source.open_source` finds the right one.
"""
