"""The rental market: the price book, its traps, what a GPU-hour costs on a day, index, term structure."""

from paretoken.lazy import lazy

_WHERE = {
    "Cell": "cells",
    "EXCLUDING": "traps",
    "Fact": "facts",
    "FEWEST": "cells",
    "Forward": "structure",
    "Held": "prices",
    "Imported": "importing",
    "Offer": "cells",
    "Period": "history",
    "RENTED": "terms",
    "Ratio": "structure",
    "TERMS": "terms",
    "TRAPS": "traps",
    "availability": "cells",
    "basket": "history",
    "cell_at": "cells",
    "cell_json": "prices",
    "cells_at": "cells",
    "day_of": "cells",
    "fetch_prices": "fetch",
    "flagged": "traps",
    "forward_curve": "structure",
    "forward_rent": "structure",
    "forwards": "structure",
    "held": "prices",
    "import_prices": "importing",
    "index_of": "history",
    "known_term": "cells",
    "levelled": "structure",
    "market_facts": "facts",
    "market_tariff": "prices",
    "price_book": "book",
    "ratios": "structure",
    "read_mapping": "importing",
    "recent": "structure",
    "shipped_prices": "book",
    "term_of": "terms",
    "term_rents": "structure",
    "vendors_offered": "cells",
    "write_prices": "book",
}
__all__ = list(_WHERE)

__getattr__, __dir__ = lazy(__name__, _WHERE)
