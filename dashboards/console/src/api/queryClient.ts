import { QueryClient, keepPreviousData } from "@tanstack/react-query";

import { ApiError } from "./client";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // One more try where no answer came; what was asked wrongly stays wrong.
      retry: (failures, error) => error instanceof ApiError && error.away && failures < 1,
      refetchOnWindowFocus: false,
      staleTime: 2_000,
      gcTime: 120_000,
      placeholderData: keepPreviousData,
    },
  },
});
