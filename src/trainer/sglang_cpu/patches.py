"""What keeps SGLang 0.5.23 from running its DFLASH worker on the CPU, and the change that lets it."""

from edits import Edit

PATCHES = (
    Edit(
        file="srt/arg_groups/speculative_hook.py",
        why="let the arguments name DFLASH together with the device cpu",
        within="def _handle_dflash(",
        expect='cfg.device.startswith("cuda") or cfg.device == "npu" or cfg.device == "xpu"',
        replace='cfg.device.startswith("cuda") or cfg.device in ("npu", "xpu", "cpu")',
    ),
    Edit(
        file="srt/arg_groups/choices.py",
        why="let the draft use the only attention that runs on any CPU",
        expect="DRAFT_ATTENTION_BACKEND_CHOICES = [\n",
        replace='DRAFT_ATTENTION_BACKEND_CHOICES = [\n    "torch_native",\n',
    ),
    Edit(
        file="srt/models/qwen3_vl.py",
        why="capture layer outputs of dense Qwen3-VL, whose text model lacks the method called here (on GPUs too)",
        within="def set_dflash_layers_to_capture(",
        expect="self.model.set_dflash_layers_to_capture([val + 1 for val in layer_ids])",
        replace="self.model.layers_to_capture = [val + 1 for val in layer_ids]",
    ),
    Edit(
        file="srt/models/dflash.py",
        why="keep the fused CUDA kernel for norm and rotation away from CPU tensors",
        expect="elif self.use_table_qk_norm_rope and qkv.dtype == torch.bfloat16:",
        replace="elif self.use_table_qk_norm_rope and qkv.is_cuda and qkv.dtype == torch.bfloat16:",
    ),
    Edit(
        file="srt/model_executor/model_runner.py",
        why="leave the draft's input embeddings in the model's precision instead of rounding them",
        within="def _extend_forward_kwargs(",
        expect="forward_batch.input_embeds.bfloat16()",
        replace="forward_batch.input_embeds",
    ),
    Edit(
        file="srt/layers/attention/torch_native_backend.py",
        why="serve batches that verify or draft a block: they carry no extend lengths, and every request has one block",
        within="def forward_extend(",
        expect="        causal = True\n",
        replace=(
            "        seq_lens = forward_batch.seq_lens\n"
            "        extend_prefix_lens = forward_batch.extend_prefix_lens\n"
            "        extend_seq_lens = forward_batch.extend_seq_lens\n"
            "        if extend_prefix_lens is None:\n"
            "            block = q_.shape[0] // seq_lens.shape[0]\n"
            "            extend_prefix_lens = seq_lens\n"
            "            extend_seq_lens = torch.full_like(seq_lens, block)\n"
            "            seq_lens = seq_lens + block\n"
            "\n"
            "        causal = True\n"
        ),
    ),
    Edit(
        file="srt/layers/attention/torch_native_backend.py",
        why="pass on the lengths computed above",
        within="        causal = True\n",
        expect=(
            "            forward_batch.seq_lens,\n"
            "            forward_batch.extend_prefix_lens,\n"
            "            forward_batch.extend_seq_lens,\n"
        ),
        replace="            seq_lens,\n            extend_prefix_lens,\n            extend_seq_lens,\n",
    ),
    Edit(
        file="srt/speculative/dflash_worker_v2.py",
        why="skip a hint to the CUDA allocator that CPU tensors do not know",
        expect="        batch.seq_lens.record_stream(\n",
        replace="        batch.seq_lens.is_cuda and batch.seq_lens.record_stream(\n",
    ),
)
