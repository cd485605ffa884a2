"""The checks that an exported draft must pass, because SGLang and vLLM silently accept a broken one."""
