import { useEffect, type ReactNode } from "react";

interface Props {
  title: string;
  /** Beside the heading: a badge, the id with its copy button, actions. */
  aside?: ReactNode;
  children?: ReactNode;
}

/** A page's heading and content; its title is that of the browser's tab. */
export function Page({ title, aside, children }: Props) {
  useEffect(() => {
    document.title = `${title} · Spanloom`;
  }, [title]);
  return (
    <>
      <header className="page-head">
        <h1>{title}</h1>
        {aside}
      </header>
      {children}
    </>
  );
}
