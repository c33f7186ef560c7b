"""The Python half of each view, and what the views share.

Each file that shows a kind of result registers a viewer for it; one that is also drawn in the browser has a
TypeScript file of the same name in the repository's `widgets/` folder.
"""
