"""The pages for people, one file a page; `pages.add` puts them on an app."""
