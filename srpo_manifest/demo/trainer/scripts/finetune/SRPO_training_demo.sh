NNODES=$HOST_NUM

NPROC_PER_NODE=$HOST_GPU_NUM
NODE_RANK=$INDEX
DATA_NUM_WORKERS=4
MODEL_TYPE="MINI"

mkdir -p images


python3 minisrpo/train.py --nnodes $NNODES --nproc_per_node $NPROC_PER_NODE \
    --node_rank $NODE_RANK \
    --master_addr $CHIEF_IP \
    --master_port 29601 \
    --rdzv_id 456 \
    --seed 42 \
    --pretrained_model_name_or_path builtin \
    --vae_model_path builtin \
    --cache_dir data/.cache \
    --data_json_path builtin \
    --gradient_checkpointing \
    --train_batch_size 1 \
    --gradient_accumulation_steps 2 \
    --max_train_steps 30000000 \
    --learning_rate 2e-2 \
    --mixed_precision bf16 \
    --checkpointing_steps 20 \
    --allow_tf32 \
    --train_guidence 1 \
    --output_dir ./output/demo/ \
    --h 48 \
    --w 48 \
    --vis_size 192 \
    --sampling_steps 25 \
    --image_p 'minisrpo' \
    --max_grad_norm 0.1 \
    --weight_decay 0.0001 \
    --shift 3 \
    --train_timestep 5 20 \
    --discount_inv 0.3 0.01 \
    --discount_pos 0.1 0.25 \
    --timestep_length 1000 \
    --groundtruth_ratio 0.9 \
    --preview_steps 5 \
    --step_seconds 0.5
