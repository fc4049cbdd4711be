"""RecursiveMAS: heterogeneous LLM agents that think and talk in latent space (arXiv 2604.25917)."""
