"""The page that `spacetime-attn app` opens: layouts to see and drag, and pictures of them."""
