import {
  createColumnHelper,
  createSortedRowModel,
  rowSortingFeature,
  sortFns,
  tableFeatures,
  useTable,
  type SortingState,
} from "@tanstack/react-table";
import { useMemo, useState, type ReactNode } from "react";

import { usePageSearch, type Search } from "../shell/search";
import { count } from "./format";
import { t } from "./strings";

export interface Column<T> {
  key: string;
  header: string;
  cell: (row: T) => ReactNode;
  /** What it is sorted by; without it the column cannot be sorted by. Null comes last. */
  sort?: (row: T) => number | string | null;
  /** Numbers stand at the right. */
  right?: boolean;
  /** Heads the card on phones. */
  primary?: boolean;
  /** Left away on phones, where every row costs a line. */
  minor?: boolean;
}

interface Props<T> {
  /** Its name for those who do not see it. */
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  /** The key of the address that holds the order, such as `sort`; two tables of a page need two. `-calls` is descending. */
  sortKey?: string;
  /** Rows before "show more". */
  page?: number;
  /** How many there are in the store, where that is more than `rows`. */
  total?: number;
  rowClass?: (row: T) => string;
}

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel(), sortFns });

/** A table that is sorted by its headings, kept in the address; on phones each row is a card. */
export function Table<T extends object>({ label, columns, rows, rowKey, sortKey = "sort", page = 50, total, rowClass }: Props<T>) {
  const parse = useMemo(() => (search: Search) => search[sortKey] ?? "", [sortKey]);
  const [order, change] = usePageSearch(parse);
  const [pages, setPages] = useState(1);
  const byKey = useMemo(() => new Map(columns.map((column) => [column.key, column])), [columns]);
  const sorting: SortingState = useMemo(() => {
    const key = order.replace(/^-/, "");
    return byKey.get(key)?.sort ? [{ id: key, desc: order.startsWith("-") }] : [];
  }, [order, byKey]);
  const definitions = useMemo(() => {
    const helper = createColumnHelper<typeof features, T>();
    return columns.map((column) =>
      helper.accessor((row): unknown => column.sort?.(row) ?? undefined, { id: column.key, header: column.header, sortUndefined: "last" }),
    );
  }, [columns]);
  const table = useTable({ features, columns: definitions, data: rows, state: { sorting }, getRowId: rowKey });
  const sorted = table.getRowModel().rows;
  const shown = sorted.slice(0, pages * page);
  const sortBy = (column: Column<T>) => {
    const first = column.right ? `-${column.key}` : column.key;
    const second = column.right ? column.key : `-${column.key}`;
    change({ [sortKey]: order === first ? second : order === second ? undefined : first });
  };
  return (
    <div className="table-box" role="group" aria-label={label} tabIndex={0}>
      <table role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => {
              const direction = order === column.key ? "ascending" : order === `-${column.key}` ? "descending" : undefined;
              return (
                <th key={column.key} role="columnheader" scope="col" className={column.right ? "right" : ""} aria-sort={direction}>
                  {column.sort ? (
                    <button type="button" className="sort" onClick={() => sortBy(column)} title={`${t("sortBy")} ${column.header}`}>
                      {column.header}
                      <span aria-hidden="true">{direction === "ascending" ? " ↑" : direction === "descending" ? " ↓" : ""}</span>
                    </button>
                  ) : (
                    column.header
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {shown.map((row) => (
            <tr key={row.id} role="row" className={rowClass?.(row.original)}>
              {columns.map((column) => (
                <td
                  key={column.key}
                  role="cell"
                  data-label={column.header}
                  className={`${column.right ? "right" : ""} ${column.primary ? "primary" : ""} ${column.minor ? "minor" : ""}`}
                >
                  {column.cell(row.original)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {(sorted.length > shown.length || (total ?? 0) > rows.length) && (
        <p className="table-more">
          <span className="quiet">{t("rowsOf", { shown: count(shown.length), count: count(total ?? sorted.length) })}</span>{" "}
          {sorted.length > shown.length && (
            <button type="button" className="button small" onClick={() => setPages(pages + 1)}>
              {t("more", { count: Math.min(page, sorted.length - shown.length) })}
            </button>
          )}
        </p>
      )}
    </div>
  );
}
