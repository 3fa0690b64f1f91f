"""The pages for people, one file a page; `routes.add` puts them on an app."""
