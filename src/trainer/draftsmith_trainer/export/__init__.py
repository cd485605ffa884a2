"""What an exported draft must satisfy: the checks behind what SGLang and vLLM accept in silence."""
